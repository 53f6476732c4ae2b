"""What every lab shares and no student writes; it knows no lab."""

__version__ = "0.1.0"

# a module's short name finds it, whatever room it is in: notebooks of begun terms say
# `toolkit.colab`, and students' files `toolkit.plots`
__path__ += [f"{__path__[0]}/{room}" for room in ("data", "music", "training", "report", "machine")]
