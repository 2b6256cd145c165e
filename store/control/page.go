package control

import (
	"net/http"
	"strconv"
)

// page gathers one page of a listing that is walked from its beginning, and counts what is walked.
type page struct {
	number, size int
	total        int
	beyond       int   // items walked after the end of the page
	partial      bool  // the walk was given up: total is not that of the listing
	items        []any // never nil: an empty list is [], not null
}

// countBeyond is how far a walk that may be long goes on after the end of the page, only to count.
const countBeyond = 1000

// enough says, for an item that the walk has come to, whether to give the walk up: the page is full, and the rest is more
// than is worth counting.
func (p *page) enough() bool {
	if p.total < p.number*p.size {
		return false
	}
	p.beyond++
	p.partial = p.beyond > countBeyond
	return p.partial
}

// pageOf reads ?page= and ?per_page=.
func pageOf(r *http.Request, size, most int) (*page, error) {
	q := r.URL.Query()
	p := &page{number: 1, size: size, items: []any{}}
	for name, v := range map[string]*int{"page": &p.number, "per_page": &p.size} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1<<30 {
			return nil, refuse(http.StatusBadRequest, codeBadRequest, "%s=%q: want a number from 1", name, clip(text))
		}
		*v = n
	}
	p.size = min(p.size, most)
	return p, nil
}

// take counts one item and says whether it is on the page.
func (p *page) take() bool {
	i := p.total
	p.total++
	return i/p.size == p.number-1
}

func (p *page) info() *resultInfo {
	info := &resultInfo{Page: p.number, PerPage: p.size, Count: len(p.items)}
	if !p.partial {
		info.TotalCount = &p.total
	}
	return info
}
