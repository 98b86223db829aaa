"""The inventory of discourse markers of the discourse relation task.

English: 173 adverbials and phrases, which count if a comma follows; with `[no-conn]` they make the paper's 174 classes.
Chinese: connectives grouped by the relation that they express.
"""

NO_CONNECTIVE = "[no-conn]"

_ENGLISH = """
above all; absolutely; accordingly; actually; additionally; admittedly; after all; after that; afterwards; again;
all in all; also; alternately; alternatively; altogether; amazingly; anyhow; anyway; apparently; appropriately;
arguably; as a consequence; as a result; as a rule; as always; as expected; as such; as usual; at best;
at first; at last; at least; at present; at the same time; at times; basically; because of that; because of this;
before long; before that; before then; besides; briefly; by comparison; by contrast; by definition; by doing so;
by now; by the way; by then; certainly; clearly; coincidentally; collectively; consequently;
conversely; curiously; currently; earlier; elsewhere; equally; essentially; even so; even then; eventually;
evidently; finally; first; first of all; firstly; for example; for instance; for now; for one thing; for that reason;
for the most part; for this reason; formerly; fortunately; frankly; from then on; further; furthermore; generally;
gradually; happily; hence; historically; honestly; however; ideally; if anything; if not; if so; importantly;
in addition; in any case; in any event; in brief; in comparison; in conclusion; in contrast; in effect; in essence;
in fact; in general; in later years; in many cases; in most cases; in other cases; in other words; in particular;
in practice; in recent years; in response; in return; in reality; in short; in some cases; in spite of this;
in sum; in summary; in that case; in the end; in the long run; in the meantime; in the past; in theory; in this case;
in this way; in turn; incidentally; increasingly; indeed; initially; instead; interestingly; ironically; lastly;
later; likewise; luckily; meanwhile; more importantly; moreover; namely; nevertheless; next; nonetheless; normally;
notably; now; nowadays; of course; on average; on the contrary; on the one hand; on the other hand; on the whole;
originally; otherwise; overall; similarly; since then; so far; sometimes; still; subsequently; that is; then;
therefore; thus; today
"""
ENGLISH = tuple(" ".join(marker.split()) for marker in _ENGLISH.split(";"))

CHINESE: dict[str, tuple[str, ...]] = {
    "contrast": ("但是", "但", "可是", "可", "不过", "然而", "却", "只是", "相反", "反之", "反而", "否则"),
    "concession": ("虽然", "尽管", "即使", "固然", "当然", "诚然"),
    "cause": ("因为", "由于", "原来"),
    "result": ("所以", "因此", "因而", "于是", "从而", "结果", "为此", "可见", "这样"),
    "condition": ("如果", "只要", "只有", "除非", "无论", "不管", "一旦", "假如"),
    "addition": ("而且", "并且", "此外", "另外", "同时", "并", "也", "还", "还有", "再说", "况且", "何况", "不仅"),
    "sequence": ("首先", "其次", "再次", "最后", "然后", "接着", "随后", "后来", "之后", "第一", "第二", "第三"),
    "time": ("目前", "现在", "如今", "当时", "此时", "这时", "近年来", "今后", "以前"),
    "example": ("例如", "比如", "譬如", "如"),
    "restatement": ("换句话说", "也就是说", "就是说", "即", "总之", "总的来说"),
    "emphasis": ("其实", "事实上", "实际上", "的确", "确实", "特别是", "尤其是"),
    "alternative": ("或者", "或", "要么", "与其", "还是"),
    "purpose": ("为了", "为", "以便"),
    "source": ("据悉", "据了解", "据介绍", "据报道"),
}

MARKERS = (*ENGLISH, *(marker for group in CHINESE.values() for marker in group))
