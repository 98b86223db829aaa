"""Documents annotated once: tokens, sentences, spans and capitalisation, stored for all builders."""
