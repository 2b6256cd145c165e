// Package migrate is the place of the phase machine that carries an operator from one table of regexes per project to
// hashed routes. What it decorates exists: control.RouteWriter, and the epoch in each route record.
package migrate
