package control

import (
	"fmt"

	"berth/assets/rules"
	"berth/store"
)

// listedProblems bounds what one rule file can write into a deployment's log.
const listedProblems = 50

// ruleNotes says what the rule files of a deployment come to, one line a problem. It reads them from where they were
// stored, before the batch that makes the deployment visible: other writers wait for that one.
func (s *Service) ruleNotes(d store.Deployment) ([]string, error) {
	var notes []string
	for _, f := range ruleFiles(d) {
		raw, err := s.deps.Blobs.ReadAll(f.Ref.Digest, f.Ref.Size)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Name, err)
		}
		notes = append(notes, notesOf(f.Name, string(raw), s.opts.Rules)...)
	}
	return notes, nil
}

func notesOf(name, text string, limits rules.Options) []string {
	limits.MaxProblems = listedProblems
	switch name {
	case rules.RedirectsFile:
		redirects, report := rules.ParseRedirects(text, limits)
		return reportLines(name, fmt.Sprintf("%s in effect", count(redirects.Len(), "redirect")), report)
	case rules.HeadersFile:
		headers, report := rules.ParseHeaders(text, limits)
		return reportLines(name, fmt.Sprintf("header rules for %s in effect", count(headers.Len(), "path")), report)
	}
	return []string{fmt.Sprintf("%s (%d bytes) is stored with the deployment. It says which paths go to the Functions.", name, len(text))}
}

// reportLines puts the sum before the problems, so that it is seen however many they are.
func reportLines(name, effect string, report rules.Report) []string {
	lines := make([]string, 1, 2+len(report.Problems))
	if lines[0] = fmt.Sprintf("%s: %s.", name, effect); len(report.Problems) > 0 {
		lines[0] = fmt.Sprintf("%s: %s, %s:", name, effect, count(len(report.Problems)+report.More, "problem"))
	}
	for _, p := range report.Problems {
		lines = append(lines, p.String())
	}
	if report.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: %s more; mend these first.", name, count(report.More, "problem")))
	}
	return lines
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
