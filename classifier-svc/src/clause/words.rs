//! The closed classes of English: the words that carry grammar rather than meaning.

/// What a function word does to the words around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Not a function word.
    Open,
    /// `the`, `my`, `all`: a noun follows.
    Determiner,
    /// `of`, `in`, `with`: a noun follows.
    Preposition,
    /// `to`: an infinitive or a noun follows.
    To,
    /// `and`, `or`, `plus`.
    And,
    /// `then`, `but`, `next`: a new step begins.
    Then,
    /// `can`, `will`, `should`.
    Modal,
    /// `you`.
    You,
    /// `I`, `we`, `he`: the subject of a statement.
    Subject,
    /// `me`, `us`, `him`: whom something is done for.
    Beneficiary,
    /// `it`, `them`, `this`: stands for something said before.
    Pronoun,
    /// `not`, `never`, `without`.
    Negation,
    /// `please`, `hi`.
    Polite,
    /// `who`, `what`, `how`.
    Question,
    /// `is`, `are`, `was`.
    Copula,
    /// `do`, `does`, `did`.
    Auxiliary,
    /// `need`, `have`, `must`, `forget`, `sure`: what follows with `to` is to be done.
    Duty,
    /// `want`, `like`, `plan`, `hope`: what follows with `to` is a wish.
    Wish,
    /// `go`, `ahead`, `just`, `let`, `help`: hands over to the verb that follows.
    Filler,
    /// `because`, `if`, `when`, `that`, `which`: a subordinate clause follows.
    Subordinator,
    /// `now`, `also`, `immediately`.
    Adverb,
}

/// The function of a lower-case word.
pub(super) fn function(word: &str) -> Function {
    use Function as F;
    match word {
        "the" | "a" | "an" | "my" | "our" | "your" | "their" | "his" | "its" | "these" | "those" | "all" | "every"
        | "each" | "any" | "some" | "no" | "both" | "another" | "other" | "such" | "many" | "several" | "two"
        | "three" | "one" | "few" => F::Determiner,
        "of" | "in" | "on" | "for" | "from" | "with" | "by" | "at" | "about" | "into" | "onto" | "over" | "via"
        | "through" | "per" | "against" | "between" | "within" | "under" | "across" | "during" | "regarding"
        | "concerning" | "like" | "off" | "than" | "until" | "toward" | "towards" | "among" | "behind" | "beyond"
        | "near" | "worth" | "upon" | "throughout" => F::Preposition,
        "to" => F::To,
        "and" | "or" | "plus" | "nor" => F::And,
        "then" | "but" | "next" | "afterwards" | "afterward" | "finally" | "otherwise" | "instead" | "yet" => F::Then,
        "can" | "could" | "will" | "would" | "should" | "shall" | "may" | "might" => F::Modal,
        "you" | "u" | "ya" => F::You,
        "i" | "we" | "he" | "she" | "they" | "who've" | "i'm" | "i'd" | "i'll" | "we'd" | "we'll" | "we're"
        | "i've" | "we've" => F::Subject,
        "me" | "us" | "him" | "someone" | "everyone" | "somebody" => F::Beneficiary,
        "it" | "them" | "this" | "everything" | "her" | "itself" | "themselves" | "anything" => F::Pronoun,
        "not" | "never" | "without" | "don't" | "dont" | "doesn't" | "cannot" | "can't" | "didn't" | "won't"
        | "shouldn't" | "avoid" | "isn't" | "aren't" | "nothing" | "mustn't" | "forbids" | "forbid" | "prohibits"
        | "prohibit" | "disallows" => F::Negation,
        "please" | "kindly" | "hi" | "hello" | "hey" | "thanks" | "pls" | "plz" | "dear" | "ok" | "okay" | "yes" => {
            F::Polite
        }
        "who" | "what" | "where" | "why" | "how" | "whose" | "whom" | "what's" | "who's" | "where's" | "how's" => {
            F::Question
        }
        "is" | "are" | "was" | "were" | "am" | "been" | "being" | "it's" | "that's" | "there's" | "be" => F::Copula,
        "do" | "does" | "did" | "has" | "had" => F::Auxiliary,
        "need" | "needs" | "have" | "must" | "sure" | "forget" | "remember" | "supposed" | "try" | "ready"
        | "proceed" | "required" | "time" | "able" | "necessary" | "has-to" | "gotta" | "able-to" => F::Duty,
        "want" | "wants" | "wish" | "plan" | "planning" | "hope" | "hoping" | "love" | "prefer" | "intend"
        | "wanted" | "looking" | "trying" => F::Wish,
        "go" | "ahead" | "just" | "let" | "let's" | "lets" | "help" | "simply" | "quickly" | "maybe" | "going" => {
            F::Filler
        }
        "because" | "since" | "so" | "if" | "when" | "while" | "that" | "which" | "whether" | "as" | "unless"
        | "although" | "though" | "whenever" | "where-as" | "once" | "after" | "before" => F::Subordinator,
        "now" | "also" | "asap" | "today" | "tomorrow" | "yesterday" | "tonight" | "again" | "here" | "there"
        | "too" | "first" | "second" | "soon" | "currently" | "recently" | "right" | "away" | "always" | "still"
        | "already" | "only" | "very" | "once-more" | "straight" | "anyway" | "later" | "even" | "ever" => F::Adverb,
        _ if word.len() > 4
            && word.ends_with("ly")
            && !matches!(
                word,
                "reply" | "apply" | "supply" | "multiply" | "comply" | "family" | "anomaly" | "assembly" | "italy"
            ) =>
        {
            F::Adverb
        }
        _ => F::Open,
    }
}
