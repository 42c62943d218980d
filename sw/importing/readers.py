"""Tables of the functions that read a source's operators."""

__all__ = ["readers"]


def readers():
    """An empty table of readers by operator, and the decorator that puts a function into it under its operators' names."""
    table = {}

    def reads(*names):
        def register(function):
            table.update(dict.fromkeys(names, function))
            return function

        return register

    return table, reads
