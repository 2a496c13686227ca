//! Circumstances: what a rule or an exception may know besides the text. Who asks, through which agent, with which
//! arguments, when.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;

/// What is known besides the text. What isn't given is not known.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The tenant of the requester.
    pub tenant: Option<String>,
    /// The groups of the requester.
    pub groups: Vec<String>,
    /// The agent that is to act.
    pub agent: Option<String>,
    /// Whether the session may have a past: the requester named it.
    pub continued: Option<bool>,
    /// The tool that is called, if it is a tool call.
    pub tool: Option<String>,
    /// The arguments of the tool, if they can be read.
    pub arguments: Option<Value>,
    /// When it is judged.
    pub now: Option<SystemTime>,
}

/// Circumstances as they are written. Every field that is given must hold; within a list, one is enough.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CircumstanceSpec {
    /// The tenant.
    pub tenant: Vec<String>,
    /// A group of the requester.
    pub group: Vec<String>,
    /// The agent; a final `*` stands for any rest.
    pub agent: Vec<String>,
    /// The tool; a final `*` stands for any rest.
    pub tool: Vec<String>,
    /// Whether the session has a past.
    pub session: Option<Session>,
    /// Arguments of the tool.
    pub arguments: Vec<ArgumentSpec>,
    /// When it is judged.
    pub time: Option<TimeSpec>,
}

/// Whether a session has a past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// Nobody named it: it begins with this request.
    New,
    /// The requester named it: there may have been requests before, which this one can point at.
    Continued,
}

/// What an argument must be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArgumentSpec {
    /// Names of members from the outside in, with dots between them: `transfer.amount`.
    pub path: String,
    /// It is one of these texts; a final `*` stands for any rest.
    pub one_of: Vec<String>,
    /// It is a number of at least this.
    pub at_least: Option<f64>,
    /// It is a number of at most this.
    pub at_most: Option<f64>,
}

/// A time of the week.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeSpec {
    /// The days; every day if none is named.
    pub days: Vec<Day>,
    /// From this minute on, `HH:MM`.
    pub from: Option<Clock>,
    /// Until before this minute, `HH:MM`; a time before `from` is on the next day.
    pub to: Option<Clock>,
    /// The offset from UTC, `+HH:MM` or `-HH:MM`; UTC if none is given.
    pub offset: Option<Offset>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A minute of the day, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Clock(i64);

/// Minutes that local time is ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Offset(i64);

const DAY_MINUTES: i64 = 24 * 60;
const WEEK: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

// === impl CircumstanceSpec ===

impl CircumstanceSpec {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let senseless = |argument: &ArgumentSpec| {
            argument.path.is_empty()
                || (argument.one_of.is_empty() && argument.at_least.is_none() && argument.at_most.is_none())
        };
        if self.arguments.iter().any(senseless) {
            return Some("has an argument without a path, or of which nothing is demanded");
        }
        let time = self.time.as_ref();
        time.is_some_and(|time| time.from.is_some() != time.to.is_some())
            .then_some("has a time with only one of `from` and `to`")
    }

    /// Whether it holds. What isn't known holds for a rule that raises (`unknown`), and doesn't for one that allows.
    pub fn holds(&self, context: &Context, unknown: bool) -> bool {
        let named = |wanted: &[String], actual: Option<&str>| {
            wanted.is_empty() || actual.map_or(unknown, |actual| wanted.iter().any(|glob| fits(glob, actual)))
        };
        let session = self.session.is_none_or(|session| {
            context
                .continued
                .map_or(unknown, |continued| continued == (session == Session::Continued))
        });
        let group = self.group.is_empty() || self.group.iter().any(|group| context.groups.contains(group));
        let time = self.time.as_ref();
        let time = time.is_none_or(|time| context.now.map_or(unknown, |now| time.holds(now)));
        let argument = |wanted: &ArgumentSpec| match &context.arguments {
            Some(arguments) => wanted.holds(arguments, unknown),
            None => unknown && context.tool.is_some(),
        };
        named(&self.tenant, context.tenant.as_deref())
            && named(&self.agent, context.agent.as_deref())
            && (self.tool.is_empty() || is_tool(&self.tool, context.tool.as_deref()))
            && group
            && session
            && time
            && self.arguments.iter().all(argument)
    }
}

// === impl ArgumentSpec ===

impl ArgumentSpec {
    fn holds(&self, arguments: &Value, unknown: bool) -> bool {
        let mut value = arguments;
        for name in self.path.split('.') {
            match value {
                Value::Object(fields) => match fields.get(name) {
                    Some(inner) => value = inner,
                    None => return false,
                },
                Value::Null => return false,
                // A list of such things, or a text that holds one: what is in it is not known.
                Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => return unknown,
            }
        }
        let text = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let named = self.one_of.is_empty()
            || text
                .as_deref()
                .map_or(unknown, |text| self.one_of.iter().any(|glob| fits(glob, text)));
        let number = text.as_deref().and_then(|text| text.trim().parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite());
        let bound = |bound: Option<f64>, within: fn(f64, f64) -> bool| {
            bound.is_none_or(|bound| number.map_or(unknown, |number| within(number, bound)))
        };
        named
            && bound(self.at_least, |number, bound| number >= bound)
            && bound(self.at_most, |number, bound| number <= bound)
    }
}

// === impl TimeSpec ===

impl TimeSpec {
    fn holds(&self, now: SystemTime) -> bool {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let minutes = i64::try_from(seconds / 60).unwrap_or(i64::MAX / 2) + self.offset.map_or(0, |offset| offset.0);
        let (day, minute) = (minutes.div_euclid(DAY_MINUTES), Clock(minutes.rem_euclid(DAY_MINUTES)));
        match (self.from, self.to) {
            (Some(from), Some(to)) if from <= to => from <= minute && minute < to && self.is_on(day),
            // Over midnight: what is after it belongs to the day before.
            (Some(from), Some(_)) if minute >= from => self.is_on(day),
            (Some(_), Some(to)) => minute < to && self.is_on(day - 1),
            _ => self.is_on(day),
        }
    }

    /// Whether the day, counted from 1 January 1970, a Thursday, is one of those named.
    fn is_on(&self, day: i64) -> bool {
        let index = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
        self.days.is_empty() || WEEK.get(index).is_some_and(|day| self.days.contains(day))
    }
}

// === impl Clock ===

impl TryFrom<String> for Clock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        minutes(&text)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a time of day, `HH:MM`"))
    }
}

// === impl Offset ===

impl TryFrom<String> for Offset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let ahead = text.strip_prefix('+').and_then(minutes);
        let behind = text.strip_prefix('-').and_then(minutes);
        ahead
            .or(behind.map(|minutes| -minutes))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not an offset from UTC, `+HH:MM` or `-HH:MM`"))
    }
}

fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str, below: i64| {
        let number = digits.parse().ok().filter(|_| digits.len() == 2)?;
        (0..below).contains(&number).then_some(number)
    };
    Some(two(hours, 24)? * 60 + two(minutes, 60)?)
}

/// Whether a tool is called, and one of these, in whatever case it is written.
pub(super) fn is_tool(patterns: &[String], tool: Option<&str>) -> bool {
    let lower = |pattern: &String| pattern.to_ascii_lowercase();
    tool.is_some_and(|tool| {
        patterns
            .iter()
            .any(|pattern| fits(&lower(pattern), &tool.to_ascii_lowercase()))
    })
}

/// Whether a name fits a pattern in which a final `*` stands for any rest.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn spec(yaml: &str) -> CircumstanceSpec {
        serde_saphyr::from_str(yaml).unwrap()
    }

    /// So many days, hours and minutes after Thursday, 1 January 1970.
    fn at(days: u64, hours: u64, minutes: u64) -> Context {
        Context {
            now: Some(UNIX_EPOCH + Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60)),
            ..Context::default()
        }
    }

    #[test]
    fn times_are_of_the_week_with_an_offset_and_over_midnight() {
        let office = spec("time: { days: [mon, tue, wed, thu, fri], from: '08:00', to: '18:00', offset: '+02:00' }");
        for (context, holds) in [
            (at(0, 5, 59), false),
            (at(0, 6, 0), true),
            (at(0, 15, 59), true),
            (at(0, 16, 0), false),
            (at(2, 10, 0), false),
            (at(4, 10, 0), true),
        ] {
            assert_eq!(office.holds(&context, false), holds, "{context:?}");
        }
        let night = spec("time: { days: [fri], from: '22:00', to: '06:00' }");
        for (context, holds) in [
            (at(1, 21, 59), false),
            (at(1, 22, 0), true),
            (at(2, 5, 59), true),
            (at(2, 6, 0), false),
            (at(1, 5, 0), false),
        ] {
            assert_eq!(night.holds(&context, false), holds, "{context:?}");
        }
        for wrong in ["'8:00'", "'24:00'", "'08:60'", "noon"] {
            assert!(
                serde_saphyr::from_str::<CircumstanceSpec>(&format!("time: {{ from: {wrong}, to: '09:00' }}")).is_err()
            );
        }
        assert!(spec("time: { from: '08:00' }").fault().is_some());
    }

    #[test]
    fn arguments_are_found_by_path_and_compared_as_numbers_or_texts() {
        let large = spec("arguments: [{ path: transfer.amount, at_least: 1000 }]");
        let of = |arguments: Value| Context {
            tool: Some("pay".to_owned()),
            arguments: Some(arguments),
            ..Context::default()
        };
        for (arguments, holds) in [
            (json!({"transfer": {"amount": 1000}}), true),
            (json!({"transfer": {"amount": "2500.50"}}), true),
            (json!({"transfer": {"amount": 999.99}}), false),
            (json!({"transfer": {}}), false),
            (json!({"transfer": {"amount": "a lot"}}), true),
            (json!({"transfer": null}), false),
            (json!({"transfer": [{"amount": 5000}]}), true),
            (json!({"transfer": "{\"amount\": 5000}"}), true),
        ] {
            assert_eq!(large.holds(&of(arguments.clone()), true), holds, "{arguments}");
        }
        assert!(
            !large.holds(&of(json!({"transfer": {"amount": "a lot"}})), false),
            "unknown never means allowed"
        );
        assert!(!large.holds(&of(json!({"transfer": [{"amount": 5000}]})), false));
        let ours = spec("arguments: [{ path: to, one_of: ['ops@corp.example', 'team-*'] }]");
        assert!(ours.holds(&of(json!({"to": "team-blue"})), false));
        assert!(!ours.holds(&of(json!({"to": "eve@corp.example"})), false));
        assert!(spec("arguments: [{ path: x }]").fault().is_some());
    }

    #[test]
    fn what_is_not_known_holds_only_for_rules_that_raise() {
        for yaml in [
            "tenant: [acme]",
            "agent: [ops-*]",
            "session: continued",
            "time: { days: [mon] }",
        ] {
            assert!(spec(yaml).holds(&Context::default(), true), "{yaml}");
            assert!(!spec(yaml).holds(&Context::default(), false), "{yaml}");
        }
        assert!(
            !spec("group: [staff]").holds(&Context::default(), true),
            "no group is known, not unknown"
        );
        assert!(
            !spec("tool: [exec]").holds(&Context::default(), true),
            "it is no tool call"
        );
    }

    #[test]
    fn a_tool_is_known_however_its_name_is_written() {
        for (pattern, tool) in [("sendMail", "sendmail"), ("sendmail", "SendMail"), ("Pay*", "payOut")] {
            assert!(is_tool(&[pattern.to_owned()], Some(tool)), "{pattern} {tool}");
        }
        assert!(!is_tool(&["sendMail".to_owned()], Some("send_mail")));
    }
}
