"""English function words: articles, pronouns, prepositions, conjunctions, auxiliaries, common adverbs."""

ENGLISH_FUNCTION_WORDS = frozenset(
    "a about above across after again against all almost along already also although always am among an and another "
    "any anyone anything are around as at away back be because been before behind being below between both but by "
    "can cannot could d did do does doing done down during each either else enough etc even ever every everyone few "
    "first for from further get had has have having he hence her here hers herself him himself his how however i if "
    "in indeed instead into is it its itself just least less ll m may me might mine more moreover most much must my "
    "myself neither never nevertheless no nobody none nor not nothing now of off often on once one only onto or other "
    "others our ours ourselves out over own per perhaps quite rather re s same several shall she should since so some "
    "somebody something still such t than that the their theirs them themselves then there therefore these they this "
    "those though through throughout thus to together too toward towards two under until up upon us usually ve very "
    "via was we well were what whatever when whenever where whereas wherever whether which while who whoever whole "
    "whom whose why will with within without would yet you your yours yourself yourselves".split()
)

# Words that are mostly capitalised because they are the first of a sentence.
ENGLISH_OPENERS = frozenset(
    "a according after all also although among an and another any are as at because before both but by despite did do "
    "does during each even every few finally first following for from further furthermore he her here his how however "
    "i if in instead into is it its later like many meanwhile more moreover most much nevertheless no not of often on "
    "once one only or other others our over perhaps several she since so some sometimes still such that the their then "
    "there therefore these they this those though three through throughout thus to today two under unlike until upon "
    "was we were what when whenever where whereas whether which while who whose why with within yet you your".split()
)
