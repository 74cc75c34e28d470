"""One fit for all tasks, and the predictions it leaves behind."""
