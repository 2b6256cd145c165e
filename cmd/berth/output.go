package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// print writes a result: one line of JSON, or what human writes for people.
func (a *app) print(v any, human func(w io.Writer)) error {
	var out bytes.Buffer
	if a.json {
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("encode the result: %w", err)
		}
	} else {
		human(&out)
	}
	if _, err := a.stdout.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// note writes a line for people beside the result: to standard error, so that it is in nobody's way.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.stderr, printable(fmt.Sprintf(format, args...)))
}

// table writes rows in columns; empty says what to write if there are none.
func table(w io.Writer, empty string, head []string, rows [][]string) {
	if len(rows) == 0 {
		fmt.Fprintln(w, empty)
		return
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = oneLine(cell); cells[i] == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	_ = tw.Flush() // to memory
}

// printable drops what would drive a terminal: names, messages and branches come from elsewhere.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return '�'
		}
		return r
	}, s)
}

// oneLine is printable text without line breaks and tabs.
func oneLine(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// fields writes names and values under each other; empty values are left out.
func fields(w io.Writer, rows [][2]string) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		if v := oneLine(r[1]); v != "" {
			fmt.Fprintf(tw, "%s\t%s\n", r[0], v)
		}
	}
	_ = tw.Flush() // to memory
}
