"""The programs of the seeds say `import dspy`: they are run as programs, and not collected."""

collect_ignore = ["seeds"]
