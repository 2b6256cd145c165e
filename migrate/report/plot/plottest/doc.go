// Package plottest looks at pages with plots in a real browser. It has code only with the build tag e2e.
package plottest
