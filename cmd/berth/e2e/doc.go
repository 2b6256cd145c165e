// Package e2e tests the built binary from outside, with the real wrangler, a real browser and real kills. Its tests carry
// the build tag e2e; `make e2e` installs what they need and runs them.
package e2e
