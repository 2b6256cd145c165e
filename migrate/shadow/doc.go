// Package shadow has a share of the live requests answered a second time, by the side that did not answer, and compares.
//
// The request does not notice: its question is cloned and put into a bounded queue; if that is full the sample is dropped, and
// counted. Workers ask the other side later. A deployment that goes live between the two answers makes them differ though
// nothing is wrong, so a difference counts only if both sides, asked again, still differ.
//
// What differs is kept, by host, the newest so many: see Documents. Latencies and errors of both sides are counted over the same
// questions, which is what makes them comparable.
package shadow
