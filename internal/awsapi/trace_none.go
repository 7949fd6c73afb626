//go:build meterd_untraced

package awsapi

const untraced = true
