"""The one way in which a build ends without packages: a sentence that says what, where and next."""


class Refused(Exception):
    """The build cannot go on; the text is for the person who typed the command."""
