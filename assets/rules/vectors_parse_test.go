package rules

import (
	"encoding/json"
	"strings"

	"github.com/google/go-cmp/cmp"
)

func checkRedirects(v *vector) string {
	r, report := ParseRedirects(v.Input, Options{MaxProblems: 1 << 20})
	type rule = [4]any
	var got []rule
	for i := range r.Len() {
		one := r.Rule(i)
		got = append(got, rule{one.From, one.To, float64(one.Status), float64(one.Line)})
	}
	decode := func(raw json.RawMessage) (one rule) {
		if err := json.Unmarshal(raw, &one); err != nil {
			panic(err)
		}
		return one
	}
	dynamic := []string{}
	for _, id := range r.dynamicRules() {
		dynamic = append(dynamic, r.Rule(int(id)).From)
	}
	diff := cmp.Diff(v.RuleCount, r.Len()) + cmp.Diff(v.StaticCount, r.Statics()) + diffProblems(v, report)
	switch {
	case v.InvalidCounts == nil:
		var want []rule
		for _, raw := range v.Rules {
			want = append(want, decode(raw))
		}
		var names []string
		if err := json.Unmarshal(v.Dynamic, &names); err != nil {
			panic(err)
		}
		diff += cmp.Diff(want, got) + cmp.Diff(names, dynamic)
	case string(v.LastRule) != "null":
		diff += cmp.Diff(decode(v.LastRule), got[len(got)-1])
		fallthrough
	default:
		var count int
		if err := json.Unmarshal(v.Dynamic, &count); err != nil {
			panic(err)
		}
		diff += cmp.Diff(count, len(dynamic))
	}
	return diff
}

// dynamicRules lists the rules that are not in the table.
func (r *Redirects) dynamicRules() (ids []int32) {
	for i := r.Statics(); i < r.Len(); i++ {
		ids = append(ids, int32(i))
	}
	return ids
}

// parsed is a block as the vectors show it: with what is set joined under names in lower case.
func (b *parsedBlock) parsed() parsedRule {
	r := parsedRule{Path: b.key(), Set: map[string]string{}, Unset: []string{}}
	for _, op := range b.detaches {
		r.Unset = append(r.Unset, strings.ToLower(op.Name))
	}
	for _, op := range b.sets {
		name := strings.ToLower(op.Name)
		if r.Set[name] != "" {
			r.Set[name] += ", "
		}
		r.Set[name] += op.Value
	}
	return r
}

func (r parsedRule) lower() parsedRule {
	for i, name := range r.Unset {
		r.Unset[i] = strings.ToLower(name)
	}
	if r.Unset == nil {
		r.Unset = []string{}
	}
	if r.Set == nil {
		r.Set = map[string]string{}
	}
	return r
}

func checkHeaders(v *vector) string {
	p := parseHeaders(v.Input, Options{MaxProblems: 1 << 20}.withDefaults())
	diff := cmp.Diff(v.RuleCount, len(p.rules)) + diffProblems(v, p.report.Report)
	decode := func(raw json.RawMessage) (one parsedRule) {
		if err := json.Unmarshal(raw, &one); err != nil {
			panic(err)
		}
		return one.lower()
	}
	if v.InvalidCounts != nil {
		if string(v.LastRule) != "null" && len(p.rules) > 0 {
			diff += cmp.Diff(decode(v.LastRule), p.rules[len(p.rules)-1].parsed())
		}
		return diff
	}
	for i, raw := range v.Rules {
		if i < len(p.rules) {
			diff += cmp.Diff(decode(raw), p.rules[i].parsed())
		}
	}
	effective := map[string]parsedRule{}
	for _, b := range p.effective() {
		effective[b.key()] = b.parsed()
	}
	want := map[string]parsedRule{}
	for path, rule := range v.Effective {
		rule.Path = path
		want[path] = rule.lower()
	}
	return diff + cmp.Diff(want, effective)
}
