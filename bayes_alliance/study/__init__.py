"""What a study is, and whether its file is right; printed cells and facts."""
