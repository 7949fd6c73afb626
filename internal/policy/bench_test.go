package policy

import (
	"net/netip"
	"testing"
	"time"
)

func BenchmarkDecide(b *testing.B) {
	r := &Request{
		Action: "aws-marketplace:MeterUsage", Time: time.Unix(1_800_000_000, 0), SourceIP: netip.MustParseAddr("203.0.113.7"),
		ProductCodes: []string{"prod-1"}, Principal: Principal{ARN: "arn:aws:iam::111122223333:role/app", Tags: map[string]string{"team": "a"}},
	}
	for _, c := range []struct{ name, doc string }{
		{"exact", `{"Statement":{"Effect":"Allow","Action":"aws-marketplace:MeterUsage","Resource":"*"}}`},
		{"wildcard", `{"Statement":{"Effect":"Allow","Action":"aws-marketplace:*Usage","Resource":"*"}}`},
		{"conditions", `{"Statement":{"Effect":"Allow","Action":"aws-marketplace:*","Resource":"*","Condition":{
			"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},
			"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"},
			"ForAllValues:StringEquals":{"meterd:ProductCode":["prod-2","prod-1"]},
			"StringEquals":{"aws:PrincipalTag/Team":"a"}}}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := Parse([]byte(c.doc), ManagedLimit)
			if err != nil {
				b.Fatal(err)
			}
			set := Set{Identity: []*Policy{p}}
			b.ReportAllocs()
			for b.Loop() {
				if !Decide(r, set).Allowed {
					b.Fatal("refused")
				}
			}
		})
	}
}
