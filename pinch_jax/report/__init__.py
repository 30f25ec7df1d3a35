"""The report: figures, tables and one page, drawn from the files of a finished study."""
