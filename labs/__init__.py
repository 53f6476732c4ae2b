"""The labs, a folder each, and `course`, which makes labs of them."""

# notebooks and commands call the course's modules by short names: `labs.notebook`, `labs.run`
__path__ += [f"{__path__[0]}/course"]
