package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// List collects every page of a list as its raw items. limit bounds them; 0 is all.
func (c *Client) List(ctx context.Context, path string, query url.Values, perPage, limit int) ([]json.RawMessage, error) {
	items := []json.RawMessage{} // `[]` in JSON, never null
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	for page := 1; ; page++ {
		q.Set("page", strconv.Itoa(page))
		q.Set("per_page", strconv.Itoa(perPage))
		var part []json.RawMessage
		answer, err := c.Into(ctx, Request{Method: http.MethodGet, Path: path, Query: q}, &part)
		if err != nil {
			return nil, err
		}
		items = append(items, part...)
		if limit > 0 && len(items) >= limit {
			return items[:limit], nil
		}
		if len(part) == 0 || !answer.Info.more(len(part), perPage) {
			return items, nil
		}
	}
}

// more says whether another page follows. A list without page information is whole.
func (p *PageInfo) more(got, asked int) bool {
	switch {
	case p == nil:
		return false
	case p.TotalCount > 0 && p.PerPage > 0:
		return p.Page*p.PerPage < p.TotalCount
	}
	return got >= asked
}
