// Package budget is the step of the road where a question gets permission to cost something.
//
// It holds the arithmetic of one Hugging Face key: limits and their windows, the document that counts what was used,
// leases for calls that run, the health of the key, and fair shares between users. Everything here is a value that
// is computed from a document and a time: no clock, no network, no lock. The edge (edge/store) keeps one such
// document for every key in a shared store and replaces it by compare-and-set; because every limit is checked and
// taken in the same step, no order of workers, crashes and retries can pass a limit.
//
// What it promises: in every document that Reserve returns, used plus reserved is at most the limit, in every window;
// what may have been sent is never given back; window ids only grow. What it does not do: choose between keys by
// price, or talk to anyone.
package budget
