package sigv4

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// A mutant is a signed request with one thing changed, which no verifier may
// accept.
type mutant struct {
	what string
	Request
	clock  time.Time
	secret string // what the verifier believes to be the signer's; empty for the truth
}

// mutants yields every mutation of a signed request that the notes on AWS's
// vectors ask for, and some more. Values are changed so that their canonical
// form changes too: a canonical form may be reached in more than one way.
func mutants(r Request, at time.Time) iter.Seq[mutant] {
	return func(yield func(mutant) bool) {
		ok := true
		put := func(what string, r Request) {
			ok = ok && yield(mutant{what: what, Request: r, clock: at})
		}
		auth, err := parseAuthorization(r.Header[authHeader][0])
		if err != nil {
			panic(err)
		}
		names := strings.Split(auth.signedHeaders, ";")
		authorized := func(what string, a authorization) {
			m := clone(r)
			m.Header[authHeader] = []string{a.String()}
			put(what, m)
		}
		header := func(what, name string, values ...string) {
			m := clone(r)
			m.Header[name] = values
			put(what+" "+name, m)
		}

		// The signature: every bit, its case, its length.
		signature := func(what, s string) {
			a := auth
			a.signature = s
			authorized(what, a)
		}
		for i := range auth.signature {
			digit := strings.IndexByte("0123456789abcdef", auth.signature[i])
			for bit := range 4 {
				flipped := "0123456789abcdef"[digit^1<<bit]
				signature("bit of the signature", auth.signature[:i]+string(flipped)+auth.signature[i+1:])
			}
			if digit > 9 {
				signature("case of a digit", auth.signature[:i]+strings.ToUpper(auth.signature[i:i+1])+auth.signature[i+1:])
			}
			signature("signature cut short", auth.signature[:i])
		}
		if upper := strings.ToUpper(auth.signature); upper != auth.signature {
			signature("case of the signature", upper)
		}
		signature("longer signature", auth.signature+"0")
		signature("quoted signature", `"`+auth.signature+`"`)

		// The body: every byte, its length.
		for i := range r.Body {
			m := clone(r)
			m.Body = slices.Clone(r.Body)
			m.Body[i] ^= 1
			put("byte of the body", m)
			m.Body = r.Body[:i]
			put("body cut short", m)
		}
		m := clone(r)
		m.Body = append(slices.Clone(r.Body), 0)
		put("longer body", m)

		// The signed headers: every byte, one dropped, one more value.
		for _, name := range names {
			if name == "host" {
				for i := range r.Host {
					m := clone(r)
					m.Host = other(r.Host, i)
					put("byte of the host", m)
				}
				m := clone(r)
				m.Host = ""
				put("no host", m)
				m.Host = r.Host + ":80"
				put("port", m)
				continue
			}
			key := string(appendMIMEKey(nil, name))
			values := r.Header[key]
			for v := range values {
				for i := range values[v] {
					changed := slices.Clone(values)
					changed[v] = other(values[v], i)
					header("byte of", key, changed...)
				}
			}
			header("dropped", key)
			header("another value after", key, append(slices.Clone(values), "x")...)
			header("another value before", key, append([]string{"x"}, values...)...)
			header("the same value again in", key, append(slices.Clone(values), values...)...)
			header("an empty value in", key, append(slices.Clone(values), "")...)
		}
		header("unsigned", "X-Amz-Extra", "x")

		// The line of the request.
		for _, method := range []string{"", "PUT", "DELETE", r.Method + "S", strings.ToLower(r.Method), r.Method + "\n"} {
			m := clone(r)
			m.Method = method
			put("method "+method, m)
		}
		for _, target := range []string{
			"", "*", "x", "/x", "/x/", "/%2F", "/%2e", "/;", "/%3F", "http://" + r.Host + "/", r.RequestURI + "x", r.RequestURI + "\n",
			r.RequestURI + "?", r.RequestURI + "?a=b", r.RequestURI + "?&a=1;b=2", r.RequestURI + "?&c=%zz", r.RequestURI + "#?",
			r.RequestURI + "?X-Amz-Algorithm=" + algorithm + "&X-Amz-Credential=" + auth.credential + "&X-Amz-Signature=" + auth.signature,
		} {
			if isPath(target) && string(appendPath(nil, target)) == string(appendPath(nil, r.RequestURI)) {
				continue
			}
			m := clone(r)
			m.RequestURI = target
			put("target "+target, m)
		}

		// The list of signed headers.
		list := func(what string, names []string) {
			a := auth
			a.signedHeaders = strings.Join(names, ";")
			authorized("list: "+what, a)
		}
		for i, name := range names {
			list("without "+name, slices.Delete(slices.Clone(names), i, i+1))
			list("twice "+name, slices.Insert(slices.Clone(names), i, name))
			list("empty item", slices.Insert(slices.Clone(names), i, ""))
			upper := slices.Clone(names)
			upper[i] = strings.ToUpper(name)
			list("upper case", upper)
			if i > 0 {
				swapped := slices.Clone(names)
				swapped[i-1], swapped[i] = name, names[i-1]
				list("not sorted", swapped)
			}
		}
		list("with one that was not sent", slices.Insert(slices.Clone(names), len(names), "z"))
		list("empty item", append(slices.Clone(names), ""))

		// The scope: every byte of every part, one dropped, one more.
		credential := func(what, s string) {
			if s == auth.credential {
				return // emptied a part that was empty
			}
			a := auth
			a.credential = s
			authorized(what, a)
		}
		for i := range auth.credential {
			credential("byte of the credential", other(auth.credential, i))
		}
		parts := strings.Split(auth.credential, "/")
		for i := range parts {
			credential("part dropped", strings.Join(slices.Delete(slices.Clone(parts), i, i+1), "/"))
			credential("part added", strings.Join(slices.Insert(slices.Clone(parts), i, "x"), "/"))
			credential("part emptied", strings.Join(slices.Replace(slices.Clone(parts), i, i+1, ""), "/"))
		}

		// The header as a whole.
		for _, s := range []string{
			"", "Bearer x", algorithm, strings.Replace(auth.String(), algorithm, "AWS4-ECDSA-P256-SHA256", 1),
			strings.Replace(auth.String(), algorithm, "AWS4-HMAC-SHA1", 1), auth.String() + ",", auth.String() + ", Signature=" + auth.signature,
		} {
			header("", authHeader, s)
		}
		header("dropped", authHeader)
		header("two", authHeader, auth.String(), auth.String())

		// The session token, signed or not.
		if sent := r.Header[amzToken]; len(sent) > 0 {
			header("dropped", amzToken)
			for i := range sent[0] {
				header("byte of", amzToken, other(sent[0], i))
			}
		} else {
			header("added", amzToken, "x")
		}

		// The clock and the secret.
		for _, skew := range []time.Duration{5*time.Minute + time.Second, -5*time.Minute - time.Second, 24 * time.Hour, -24 * time.Hour} {
			ok = ok && yield(mutant{what: "clock", Request: r, clock: at.Add(skew)})
		}
		ok = ok && yield(mutant{what: "secret", Request: r, clock: at, secret: "another"})
	}
}

// other returns s with a byte replaced by one that is neither it nor a space, so
// that the value stays different when its spaces are collapsed.
func other(s string, i int) string {
	c := "x"
	if s[i] == 'x' {
		c = "y"
	}
	return s[:i] + c + s[i+1:]
}

// verify runs the mutant past a verifier that knows its signer.
func (m mutant) verify(v *Verifier, required []string) error {
	if m.secret != "" {
		lookup := v.Lookup
		v = &Verifier{Service: v.Service, Lookup: func(keyID string) (Credential, bool) {
			c, ok := lookup(keyID)
			c.Secret = m.secret
			return c, ok
		}}
	}
	_, err := v.Verify(m.Request, required, m.clock)
	return err
}

// only returns a verifier that knows one signer.
func only(s Signer) *Verifier {
	return &Verifier{Service: s.Service, Lookup: func(keyID string) (Credential, bool) {
		return s.Credential, keyID == s.KeyID
	}}
}
