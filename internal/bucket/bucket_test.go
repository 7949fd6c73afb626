package bucket

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/meterd/meterd/internal/bucket/s3test"
)

func TestParse(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	tests := []struct{ text, want string }{
		{"s3://trail?region=eu-west-1", "trail \"\" eu-west-1 <nil>"},
		{"s3://trail/a/b/?region=eu-west-1&endpoint=https://minio.example.com:9000", "trail \"a/b/\" eu-west-1 https://minio.example.com:9000"},
		{"s3://trail", "the region is missing"},
		{"s3://?region=eu-west-1", "no bucket's name"},
		{"s3://Trail_1?region=eu-west-1", "no bucket's name"},
		{"s3://key:secret@trail?region=eu-west-1", "it holds a user or a password"},
		{"s3://trail?region=eu-west-1&endpoint=minio:9000", "is not of the form https://"},
		{"s3://trail?region=eu-west-1&endpoint=https://k:s@minio", "is not of the form https://"},
		{"s3://trail?region=eu-west-1&region=us-east-1", "region is to have one value"},
		{"s3://trail?region=eu-west-1&acl=private", `"acl" is neither region nor endpoint`},
		{"https://trail", "it is not of the form s3://"},
	}
	for _, tt := range tests {
		l, err := Parse(tt.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%s %q %s %v", l.Bucket, l.Prefix, l.Region, l.Endpoint)
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.text, got, tt.want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s: the error shows a password: %s", tt.text, got)
		}
	}
	t.Setenv("AWS_DEFAULT_REGION", "eu-central-1")
	if l, err := Parse("s3://trail"); err != nil || l.Region != "eu-central-1" {
		t.Errorf("the environment's region: got %+v, error %v", l, err)
	}
}

func TestBucket(t *testing.T) {
	l, err := Parse(s3test.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(l)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := b.Get(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	var puts sync.WaitGroup
	for i := range 4 {
		puts.Go(func() {
			if err := b.Put(ctx, fmt.Sprintf("a/%d=+ x", i), []byte{byte(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
	if err := b.Put(ctx, "a/b", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "a/b", []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	if got, err := b.Get(ctx, "a/b"); err != nil || string(got) != "first" {
		t.Errorf("got %q, error %v", got, err)
	}
	if err := b.Put(ctx, "a/c/d", nil); err != nil {
		t.Error(err)
	}
	got, err := b.List(ctx, "a/")
	if want := []string{"a/0=+ x", "a/1=+ x", "a/2=+ x", "a/3=+ x", "a/b", "a/c/"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, error %v", got, want, err)
	}
	if got, err := b.List(ctx, "nothing/"); err != nil || len(got) != 0 {
		t.Errorf("an empty folder: got %q, error %v", got, err)
	}
}
