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

/// The words of each function.
pub(crate) const FUNCTION_WORDS: &[(Function, &[&str])] = &[
    (
        Function::Determiner,
        &[
            "the", "a", "an", "my", "our", "your", "their", "his", "its", "these", "those", "all", "every", "each",
            "any", "some", "no", "both", "another", "other", "such", "many", "several", "two", "three", "one", "few",
        ],
    ),
    (
        Function::Preposition,
        &[
            "of",
            "in",
            "on",
            "for",
            "from",
            "with",
            "by",
            "at",
            "about",
            "into",
            "onto",
            "over",
            "via",
            "through",
            "per",
            "against",
            "between",
            "within",
            "under",
            "across",
            "during",
            "regarding",
            "concerning",
            "like",
            "off",
            "than",
            "until",
            "toward",
            "towards",
            "among",
            "behind",
            "beyond",
            "near",
            "worth",
            "upon",
            "throughout",
        ],
    ),
    (Function::To, &["to"]),
    (Function::And, &["and", "or", "plus", "nor"]),
    (
        Function::Then,
        &[
            "then",
            "but",
            "next",
            "afterwards",
            "afterward",
            "finally",
            "otherwise",
            "instead",
            "yet",
        ],
    ),
    (
        Function::Modal,
        &["can", "could", "will", "would", "should", "shall", "may", "might"],
    ),
    (Function::You, &["you", "u", "ya"]),
    (
        Function::Subject,
        &[
            "i", "we", "he", "she", "they", "who've", "i'm", "i'd", "i'll", "we'd", "we'll", "we're", "i've", "we've",
        ],
    ),
    (
        Function::Beneficiary,
        &["me", "us", "him", "someone", "everyone", "somebody"],
    ),
    (
        Function::Pronoun,
        &[
            "it",
            "them",
            "this",
            "everything",
            "her",
            "itself",
            "themselves",
            "anything",
        ],
    ),
    (
        Function::Negation,
        &[
            "not",
            "never",
            "without",
            "don't",
            "dont",
            "doesn't",
            "cannot",
            "can't",
            "didn't",
            "won't",
            "shouldn't",
            "avoid",
            "isn't",
            "aren't",
            "nothing",
            "mustn't",
            "forbids",
            "forbid",
            "prohibits",
            "prohibit",
            "disallows",
        ],
    ),
    (
        Function::Polite,
        &[
            "please", "kindly", "hi", "hello", "hey", "thanks", "pls", "plz", "dear", "ok", "okay", "yes",
        ],
    ),
    (
        Function::Question,
        &[
            "who", "what", "where", "why", "how", "whose", "whom", "what's", "who's", "where's", "how's",
        ],
    ),
    (
        Function::Copula,
        &[
            "is", "are", "was", "were", "am", "been", "being", "it's", "that's", "there's", "be",
        ],
    ),
    (Function::Auxiliary, &["do", "does", "did", "has", "had"]),
    (
        Function::Duty,
        &[
            "need",
            "needs",
            "have",
            "must",
            "sure",
            "forget",
            "remember",
            "supposed",
            "try",
            "ready",
            "proceed",
            "required",
            "time",
            "able",
            "necessary",
            "has-to",
            "gotta",
            "able-to",
        ],
    ),
    (
        Function::Wish,
        &[
            "want", "wants", "wish", "plan", "planning", "hope", "hoping", "love", "prefer", "intend", "wanted",
            "looking", "trying",
        ],
    ),
    (
        Function::Filler,
        &[
            "go", "ahead", "just", "let", "let's", "lets", "help", "simply", "quickly", "maybe", "going",
        ],
    ),
    (
        Function::Subordinator,
        &[
            "because", "since", "so", "if", "when", "while", "that", "which", "whether", "as", "unless", "although",
            "though", "whenever", "where-as", "once", "after", "before",
        ],
    ),
    (
        Function::Adverb,
        &[
            "now",
            "also",
            "asap",
            "today",
            "tomorrow",
            "yesterday",
            "tonight",
            "again",
            "here",
            "there",
            "too",
            "first",
            "second",
            "soon",
            "currently",
            "recently",
            "right",
            "away",
            "always",
            "still",
            "already",
            "only",
            "very",
            "once-more",
            "straight",
            "anyway",
            "later",
            "even",
            "ever",
        ],
    ),
];

// === impl Function ===

impl Function {
    /// The function of a lower-case word that isn't listed: most words in `-ly` are adverbs.
    pub(crate) fn of_unlisted(word: &str) -> Self {
        let adverb = word.len() > 4 && word.ends_with("ly") && !NO_ADVERBS.contains(&word);
        if adverb { Self::Adverb } else { Self::Open }
    }
}

const NO_ADVERBS: &[&str] = &[
    "reply", "apply", "supply", "multiply", "comply", "family", "anomaly", "assembly", "italy",
];
