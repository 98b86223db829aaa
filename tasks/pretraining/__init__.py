"""The pre-training tasks of the paper (section 4.2), one file each."""
