// Package bucket keeps files in an S3 bucket, Amazon's or another's that speaks the
// same: each put once, and never replaced.
package bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Form is how a bucket is written.
const Form = "s3://bucket/prefix?region=REGION&endpoint=URL"

// Location is where files are kept.
type Location struct {
	Bucket   string
	Prefix   string // "" or ending in a slash
	Region   string
	Endpoint *url.URL // nil: Amazon's of the region
}

// A bucket's name can be part of a host's.
var isBucket = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Parse reads the form. A region that is not given is the environment's, if it has
// one.
func Parse(text string) (*Location, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" {
		return nil, errors.New("it is not of the form " + Form)
	}
	l := &Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if l.Prefix != "" {
		l.Prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case err != nil || u.Fragment != "":
		return nil, errors.New("it is not of the form " + Form)
	case u.User != nil:
		return nil, errors.New("it holds a user or a password: credentials come from AWS's variables, its file, or what the machine is given")
	case !isBucket.MatchString(l.Bucket):
		return nil, fmt.Errorf("%q is no bucket's name", l.Bucket)
	}
	for name, values := range query {
		switch {
		case len(values) != 1 || values[0] == "":
			return nil, fmt.Errorf("%s is to have one value", name)
		case name == "region":
			l.Region = values[0]
		case name == "endpoint":
			e, err := url.Parse(values[0])
			if err != nil || e.Scheme != "https" && e.Scheme != "http" || e.Host == "" || e.User != nil || strings.Trim(e.Path, "/") != "" || e.RawQuery != "" {
				return nil, fmt.Errorf("the endpoint %q is not of the form https://host:port", values[0])
			}
			l.Endpoint = e
		default:
			return nil, fmt.Errorf("%q is neither region nor endpoint", name)
		}
	}
	l.Region = cmp.Or(l.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	if l.Region == "" {
		return nil, errors.New("the region is missing: add ?region=us-east-1, or whichever it is")
	}
	return l, nil
}

// Bucket is a bucket, below a prefix.
type Bucket struct {
	client *minio.Client
	name   string
	prefix string
}

// Open makes a client; nothing is sent yet. Credentials are looked for where AWS's
// own tools do: the environment, the shared file, and what the machine, the task or
// the pod is given.
func Open(l *Location) (*Bucket, error) {
	// Amazon's name is the client's to choose: it knows China's, too.
	host, secure, lookup := "s3.amazonaws.com", true, minio.BucketLookupAuto
	if l.Endpoint != nil {
		host, secure, lookup = l.Endpoint.Host, l.Endpoint.Scheme == "https", minio.BucketLookupPath
	} else if strings.HasPrefix(l.Region, "cn-") {
		host = "s3." + l.Region + ".amazonaws.com.cn"
	}
	client, err := minio.New(host, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: credentialsTimeout}},
		}),
		Secure: secure, Region: l.Region, BucketLookup: lookup, MaxRetries: retries,
	})
	if err != nil {
		return nil, err
	}
	return &Bucket{client: client, name: l.Bucket, prefix: l.Prefix}, nil
}

const (
	credentialsTimeout = 5 * time.Second
	retries            = 4
)

// Put writes a file; [fs.ErrExist] if there is one of its name.
func (b *Bucket) Put(ctx context.Context, name string, content []byte) error {
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	opts.SetMatchETagExcept("*")
	var err error
	for range retries {
		_, err = b.client.PutObject(ctx, b.name, b.prefix+name, bytes.NewReader(content), int64(len(content)), opts)
		// Another is being put under this name, and it is not known which will stay.
		if status(err) != http.StatusConflict {
			break
		}
	}
	return b.told(err, name)
}

// Get reads a file; [fs.ErrNotExist] if there is none.
func (b *Bucket) Get(ctx context.Context, name string) ([]byte, error) {
	object, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.told(err, name)
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	return content, b.told(err, name)
}

// List lists a folder.
func (b *Bucket) List(ctx context.Context, folder string) ([]string, error) {
	var names []string
	for object := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + folder}) {
		if object.Err != nil {
			return nil, b.told(object.Err, folder)
		}
		if object.Key != b.prefix+folder { // some clients make an empty object for a folder
			names = append(names, strings.TrimPrefix(object.Key, b.prefix))
		}
	}
	slices.Sort(names)
	return names, nil
}

func status(err error) int {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// told is an error in the words of package fs, where it has some.
func (b *Bucket) told(err error, name string) error {
	if err == nil {
		return nil
	}
	switch code := minio.ToErrorResponse(err).Code; {
	case status(err) == http.StatusPreconditionFailed:
		return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
	case code == minio.NoSuchKey:
		return &fs.PathError{Op: "get", Path: name, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("s3://%s/%s%s: %w", b.name, b.prefix, name, err)
}
