package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// Places are numbers of a chain, ascending: "1-5,7".
type Places struct {
	Chain   string `json:"chain"`
	Numbers string `json:"numbers"`
}

// run is the numbers from first to last.
type run struct{ first, last int64 }

// runs are numbers that are entered in ascending order.
type runs []run

func (r *runs) add(first, last int64) {
	if n := len(*r); n > 0 && (*r)[n-1].last+1 == first {
		(*r)[n-1].last = last
		return
	}
	*r = append(*r, run{first, last})
}

func (r runs) String() string {
	var b []byte
	for i, run := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, run.first, 10)
		if run.last > run.first {
			b = strconv.AppendInt(append(b, '-'), run.last, 10)
		}
	}
	return string(b)
}

// parseRuns reads what String wrote, and refuses all else.
func parseRuns(text string) (runs, error) {
	var all runs
	for part := range strings.SplitSeq(text, ",") {
		from, to, span := strings.Cut(part, "-")
		if !span {
			to = from
		}
		first, err := strconv.ParseInt(from, 10, 64)
		last, err2 := strconv.ParseInt(to, 10, 64)
		if err != nil || err2 != nil || first < 1 || last < first || len(all) > 0 && first <= all[len(all)-1].last {
			return nil, fmt.Errorf("%q are no numbers of a chain", text)
		}
		all.add(first, last)
	}
	if all.String() != text {
		return nil, fmt.Errorf("%q is another way to write %s", text, all)
	}
	return all, nil
}

// count is how many numbers there are.
func (r runs) count() (n int64) {
	for _, run := range r {
		n += run.last - run.first + 1
	}
	return n
}
