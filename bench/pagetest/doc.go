// Package pagetest looks at pages of results in a real browser. It has code only with the build tag e2e.
package pagetest
