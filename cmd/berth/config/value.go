package config

import (
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"
)

// value is what one key says, and where.
type value struct {
	where string // FILE:LINE
	kind  unstable.Kind
	text  string
	items []string // of an array
	bad   error    // the value cannot be a flag's
}

func newValue(n *unstable.Node, where string) value {
	v := value{where: where, kind: n.Kind}
	switch n.Kind {
	case unstable.String, unstable.Integer, unstable.Float, unstable.Bool:
		v.text = string(n.Data)
	case unstable.Array:
		it := n.Children()
		for it.Next() {
			if k := it.Node().Kind; k != unstable.String {
				v.bad = fmt.Errorf("a list must hold strings, this one holds a %s", k)
				return v
			}
			v.items = append(v.items, string(it.Node().Data))
		}
	default:
		v.bad = fmt.Errorf("a %s is not a value for a flag: write a string, number, true/false or list of strings", n.Kind)
	}
	return v
}

// set gives the flag the value. Types must fit: `max-files = "many"` and `json = 1` are mistakes that are told.
func (v value) set(set *pflag.FlagSet, f *pflag.Flag) error {
	if v.bad != nil {
		return v.bad
	}
	if v.kind == unstable.Array {
		list, ok := f.Value.(pflag.SliceValue)
		if !ok {
			return fmt.Errorf("takes one %s, not a list", f.Value.Type())
		}
		f.Changed = true
		return list.Replace(v.items)
	}
	isBool := f.Value.Type() == "bool"
	switch {
	case isBool && v.kind != unstable.Bool:
		return errors.New("takes true or false")
	case !isBool && v.kind == unstable.Bool:
		return fmt.Errorf("takes a %s, not true or false", f.Value.Type())
	case f.Value.Type() == "string" && v.kind != unstable.String:
		return errors.New("takes a string: put it in quotes")
	}
	return set.Set(f.Name, v.text)
}
