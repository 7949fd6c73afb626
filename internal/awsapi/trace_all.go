//go:build !meterd_untraced

package awsapi

// untraced drops every event: for a build that shows what events cost, and for
// nothing else.
const untraced = false
