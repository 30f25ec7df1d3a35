"""Between text and ids: tokenizers, the templates around a prompt, and smaller vocabularies."""
