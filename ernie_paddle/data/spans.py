"""The columns that tell tasks where the words, phrases and named entities of running text are.

The annotation of the sample builders fills them. Nothing in the engine reads them.
"""

from ernie_paddle.data.schema import Column

BEGIN, INSIDE = 0, 1
WORD, PHRASE, NAMED_ENTITY = 0, 1, 2
BI_TAGS = Column("bi_tags", "token", ("begin", "inside"))  # of spans
SPAN_KINDS = Column("span_kinds", "token", ("word", "phrase", "named entity"))
SPANS = (BI_TAGS, SPAN_KINDS)
