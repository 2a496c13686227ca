// What the stand-in model answers: a short, deterministic text that fits the request and says where it comes from.

const PREFIX = "[stand-in model]";

const quoted = (text) => `“${text.replace(/\s+/g, " ").trim().slice(0, 200)}”`;

// "Draft an email to finance asking for confirmation of the Q1 cloud budget." → who and what about.
function emailParts(text) {
  const to = /\bto (?:the )?((?:all )?[\w-]+(?: team| department)?)\b/i.exec(text)?.[1] ?? "all";
  const about = /\b(?:asking for|about|that|regarding|saying) ([^.!?]+)/i.exec(text)?.[1] ?? text.trim();
  return { to, about: about.trim() };
}

function email(text, opening) {
  const { to, about } = emailParts(text);
  const subject = about[0].toUpperCase() + about.slice(1, 70);
  const asks = /\basking\b/i.test(text);
  const sentence = asks ? `could you please give us ${about}?` : `we would like to let you know: ${about}.`;
  return `${opening}\n\nTo: ${to}\nSubject: ${subject}\n\nHello,\n\n${sentence}\n\nKind regards`;
}

function summary(text) {
  const topic = /\bsummari[sz]e\s+([^.!?]+)/i.exec(text)?.[1]?.trim() ?? "this";
  return `A summary of ${topic} would have three points: what it covers, who answers for it, and what it asks of each reader. The text itself was not given to me.`;
}

const KINDS = [
  [/^Answer with the one word: ready\s*$/, () => "ready"],
  [/\bsummari[sz]e\b/i, summary],
  [/\b(?:draft|write|compose)\b[^.]*\bemail\b/i, (text) => email(text, "Here is a draft.")],
  [/\bsend\b[^.]*\bemail\b/i, (text) => email(text, "I have no tool to send mail with, so nothing was sent. This is the message.")],
  [/./s, (text) => `You asked: ${quoted(text)}. A real model would answer here.`],
];

export function composeAnswer(text) {
  const [, answer] = KINDS.find(([pattern]) => pattern.test(text)) ?? [null, () => "Nothing was asked."];
  return `${PREFIX} ${answer(text)}`;
}
