// Package audit makes of the trail what an auditor reads and can prove: events as
// CloudTrail shows them, and files of them, in CloudTrail's folders, that prove by
// themselves that they are whole.
//
// # Files
//
// A [Writer] follows the digests of the trail. What a digest adds to the heads of
// the one before is written into files, one event a line, and then a [Manifest]:
// the digest, the files with their sums and the place of every line in the trail,
// and the sum of the manifest before. What is to be written, and under which name,
// follows from the digest alone. A destination takes a name once. So writers may be
// cut short, repeat one another and run beside one another: whoever comes second
// finds the same file, and the manifest that is there counts.
package audit
