package convert

// end is the end of the pattern, before the end of the host.
func (w *walker) end(s state) {
	switch {
	case !s.begun:
		w.fail(ReasonUnanchored, "it is not anchored: without ^ at its beginning it also matches in the middle of other hosts")
	case s.n == 0:
		w.fail(ReasonEveryHost, "it says nothing of the host and would answer all of them; list the hosts")
	default:
		w.fail(ReasonOpenEnded, "it ends after %q and so answers every host that begins like this; write %s", w.prefix(s), w.closing())
	}
}

func (w *walker) closing() string {
	if w.options.Subject == HostPath {
		return `(?::[0-9]+)?\/ behind the host`
	}
	return "$ behind the host"
}

// endText is $.
func (w *walker) endText(next *rest, s state) {
	switch {
	case w.options.Subject != HostPath:
		if s.begun && allNullable(next) {
			w.record(s, true)
		} else if !s.begun {
			w.fail(ReasonUnanchored, "it is not anchored: without ^ at its beginning it answers every host that ends like this")
		}
	case !s.begun:
		w.fail(ReasonUnanchored, "it is not anchored: it has no ^ at its beginning")
	case s.n == 0 && s.wild != nil && s.wild.crosses:
		w.fail(ReasonEveryHost, "it says nothing of the host and would answer all of them; list the hosts")
	case s.crossed || s.wild != nil && s.wild.crosses:
		w.fail(ReasonPath, "a run before $ goes on into the path, so what it answers depends on the path; end the host with \\/")
	} // else there is a slash to come, so nothing matches
}
