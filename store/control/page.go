package control

import (
	"net/http"
	"strconv"
)

// page gathers one page of a listing, and counts what is walked. It is asked for by its number, and then the listing is walked from its
// beginning; or by the cursor that the page before ended with, and then the walk begins there.
type page struct {
	number, size int
	cursor       string // where the walk begins, "" for the beginning
	total        int    // items walked or skipped
	beyond       int    // of them, those after the end of the page
	partial      bool   // the walk was given up: total is not that of the listing
	items        []any  // never nil: an empty list is [], not null
	next         string // cursor of what comes after the last item; the walk sets it
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
	p.partial = p.cursor != "" || p.beyond > countBeyond
	return p.partial
}

// pageOf reads ?page= or ?cursor=, and ?per_page=.
func pageOf(r *http.Request, size, most int) (*page, error) {
	q := r.URL.Query()
	p := &page{number: 1, size: size, cursor: q.Get("cursor"), items: []any{}}
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
	if p.cursor != "" && q.Get("page") != "" {
		return nil, refuse(http.StatusBadRequest, codeBadRequest, "give page or cursor, not both: a cursor says where the page begins")
	}
	p.size = min(p.size, most)
	return p, nil
}

func badCursor(p *page) error {
	return refuse(http.StatusBadRequest, codeBadRequest, "cursor=%q: want what result_info.cursor said on the page before, of the same list", clip(p.cursor))
}

// before is how many items come before the page.
func (p *page) before() int { return (p.number - 1) * p.size }

// take counts one item and says whether it is on the page.
func (p *page) take() bool {
	i := p.total
	p.total++
	return i/p.size == p.number-1
}

func (p *page) info() *resultInfo {
	info := &resultInfo{Page: p.number, PerPage: p.size, Count: len(p.items)}
	if !p.partial && p.cursor == "" {
		info.TotalCount = &p.total
	}
	if p.beyond > 0 && len(p.items) == p.size {
		info.Cursor = p.next
	}
	return info
}
