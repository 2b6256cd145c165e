package control

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// A key that is not understood refuses the call: passed over, it would be a setting that somebody believes to have made.

// checkKeys refuses an object with a key for which the struct that dst points to has no field. Names are compared as encoding/json
// does, without regard to case.
func checkKeys(raw []byte, dst any) error {
	t := reflect.TypeOf(dst).Elem()
	if t.Kind() != reflect.Struct {
		return nil
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil // it fitted the struct, so it is null
	}
	known := keysOf(t)
	for _, name := range sortedKeys(in) {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			return refuse(http.StatusBadRequest, codeBadRequest, "the request body has a key %q that is not understood; there %s",
				clip(name), listed(known))
		}
	}
	return nil
}

func keysOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		names = append(names, name)
	}
	return names
}

func sortedKeys(m map[string]json.RawMessage) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// listed is a list in words.
func listed(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return "is " + names[0]
	}
	return "are " + strings.Join(names[:last], ", ") + " and " + names[last]
}
