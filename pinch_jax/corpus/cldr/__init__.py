"""The bundled corpus: facts of Unicode CLDR as questions and as statements."""
