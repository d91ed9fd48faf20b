"""How results are said, drawn and written."""
