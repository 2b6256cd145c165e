package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Changes says in words what leads from one configuration to another; the modes are no part of it.
func Changes(from, to Config) []string {
	from, to = from.clone(), to.clone()
	var out []string
	if from.Percent != to.Percent {
		out = append(out, fmt.Sprintf("percent %s to %s", FormatPercent(from.Percent), FormatPercent(to.Percent)))
	}
	out = append(out, changed("datacentre", from.Datacentres, to.Datacentres)...)
	out = append(out, changed("site", from.Sites, to.Sites)...)
	for _, name := range to.OptOut {
		if _, had := slices.BinarySearch(from.OptOut, name); !had {
			out = append(out, "opt-out "+name)
		}
	}
	for _, name := range from.OptOut {
		if _, has := slices.BinarySearch(to.OptOut, name); !has {
			out = append(out, "no opt-out of "+name)
		}
	}
	if from.Default != to.Default {
		out = append(out, fmt.Sprintf("default %v to %v", from.Default, to.Default))
	}
	return out
}

func changed(what string, from, to map[string]Side) []string {
	names := maps.Clone(from)
	if names == nil {
		names = map[string]Side{}
	}
	maps.Copy(names, to)
	var out []string
	for name := range sorted(names) {
		was, had := from[name]
		is, has := to[name]
		switch {
		case was == is:
		case !had:
			out = append(out, fmt.Sprintf("%s %s=%v", what, name, is))
		case !has:
			out = append(out, fmt.Sprintf("%s %s=%v taken away", what, name, was))
		default:
			out = append(out, fmt.Sprintf("%s %s=%v (was %v)", what, name, is, was))
		}
	}
	return out
}

// FormatPercent writes a percentage as an operator would.
func FormatPercent(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) + "%" }
