"""One file per verb: strings the other rooms together."""
