"""What build.py does, for the one command `python3 build.py`, from the command to the programs that it runs:

commands  one function a command, and the table of them
needs     what must be on the machine, asked before anything is done
stages    what commands are made of: environments, packages, the library, the header; what is current stays as it is
programs  runs Cargo, pip and the tests, keeps what they say, and passes Ctrl-C on
paths     where everything is

All of it needs nothing but Python, and is read by whatever python3 there is, so that it can say what is missing: its
syntax is Python 3.6's.
"""


class Failed(Exception):
    """Ends the command with status 1; its text is for the person who ran it."""
