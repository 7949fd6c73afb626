// Package audit makes of the trail what an auditor reads and can prove: events as
// CloudTrail shows them, and files of them, in CloudTrail's folders, that prove by
// themselves that they are whole.
//
// # Events
//
// An event is shown as AWS CloudTrail does: a record for each call, in the JSON that
// auditors and their tools know. Nothing is stored in that form; it is made when it
// is read.
//
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
// https://docs.aws.amazon.com/marketplace/latest/userguide/cloudtrail-logging.html
//
// # Proof
//
// [Verify] proves that the trail is whole: that every event is there as it was
// written, in its place, and that events and records have never parted.
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
