package dualwrite

import (
	"strings"

	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// ImportedEntry is a host, or the hosts below it, that an imported entry is known to answer.
type ImportedEntry struct {
	Host       hostkey.Host
	Wildcard   bool
	ScriptHash string
}

// DropImported takes the imported part off the table, with all that is noted of it, and returns the hosts it answered.
// What Berth has written before and behind it stays. It comes before any other edit of e.
func (e *Editor) DropImported() (entries []ImportedEntry, err error) {
	var pieces []store.TableChunk
	for c, err := range e.tx.AllTableChunks(e.project, Imported) {
		if err != nil {
			return nil, err
		}
		if c.Project != e.project || c.No >= Behind {
			break
		}
		pieces = append(pieces, c)
	}
	noted, err := e.importedNames()
	if err != nil {
		return nil, err
	}
	for _, c := range pieces {
		filters, err := legacy.ParseChunk(c.JSON)
		if err != nil {
			return nil, err
		}
		for _, f := range filters {
			if entries, err = e.dropFilter(f, noted, entries); err != nil {
				return nil, err
			}
		}
		if err := e.tx.DeleteTableChunk(e.project, c.No); err != nil {
			return nil, err
		}
	}
	for name := range noted {
		if err := e.tx.DeleteTableHost(e.project, name); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// importedNames are those of the index that lead to imported pieces.
func (e *Editor) importedNames() (map[string]bool, error) {
	noted := map[string]bool{}
	for name, err := range e.tx.TableHosts(e.project) {
		if err != nil {
			return nil, err
		}
		no, err := e.tx.TableHost(e.project, name)
		if err != nil {
			return nil, err
		}
		if no >= Imported && no < Behind {
			noted[strings.Clone(name)] = true
		}
	}
	return noted, nil
}

// dropFilter forgets to which deployment an entry's hosts led.
func (e *Editor) dropFilter(f legacy.Filter, noted map[string]bool, entries []ImportedEntry) ([]ImportedEntry, error) {
	of := e.namesOf(f)
	for wildcard, hosts := range map[bool][]hostkey.Host{false: of.hosts, true: of.wilds} {
		for _, h := range hosts {
			if err := e.moved(h, wildcard, f.ScriptHash); err != nil {
				return nil, err
			}
			if noted[entryName(h, wildcard)] {
				entries = append(entries, ImportedEntry{h, wildcard, f.ScriptHash})
			}
		}
	}
	return entries, nil
}
