package assets

// Trace is how a Plan came about, for people. A nil Trace records nothing.
type Trace struct {
	Steps   []Step
	Origins []Origin // of each of the Plan's Fields, in their order
}

// Step is one thing that was tried, in the order in which it was.
type Step struct {
	What string // the part of the evaluation: "redirects", "method", "file", …
	Said string // what it came to
	File string // the rule file that decided; empty: none
	Line int    // and its line, from 1
}

// Origin says what a field comes from.
type Origin struct {
	From string // "default", "file", "redirect", "rule", …
	File string // of a rule
	Line int
}
