"""The one table of currencies.

Source: ISO 4217 list one as published by SIX, the maintenance agency, in the edition of
2026-01-01 (amendment 180: Bulgaria takes the euro). Left out are what the list marks as funds,
XAD (amendment 179 calls it a fund code) and whatever has no minor unit: metals, bond units, the
SDR, test codes. The exponents are ISO's, not CLDR's, which gives those of everyday cash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tollkeeper.kernel.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: its ISO 4217 code in lower case, and how many decimals its minor unit has."""

    code: str
    exponent: int


# A code that ISO withdraws later stays in this table: final invoices in it have to be readable.
_CODES_BY_EXPONENT = {
    0: "bif clp djf gnf isk jpy kmf krw pyg rwf ugx vnd vuv xaf xof xpf",
    2: """
        aed afn all amd aoa ars aud awg azn
        bam bbd bdt bmd bnd bob brl bsd btn bwp byn bzd
        cad cdf chf cny cop crc cup cve czk
        dkk dop dzd
        egp ern etb eur
        fjd fkp
        gbp gel ghs gip gmd gtq gyd
        hkd hnl htg huf
        idr ils inr irr
        jmd
        kes kgs khr kpw kyd kzt
        lak lbp lkr lrd lsl
        mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn
        nad ngn nio nok npr nzd
        pab pen pgk php pkr pln
        qar
        ron rsd rub
        sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl
        thb tjs tmt top try ttd twd tzs
        uah usd uyu uzs
        ved ves
        wst
        xcd xcg
        yer
        zar zmw zwg
    """,
    3: "bhd iqd jod kwd lyd omr tnd",
    4: "uyw",
}

CURRENCIES: Mapping[str, Currency] = MappingProxyType(
    {
        code: Currency(code, exponent)
        for exponent, codes in _CODES_BY_EXPONENT.items()
        for code in codes.split()
    }
)


def currency(code: str) -> Currency:
    """The currency with this ISO 4217 code, in upper or lower case; else raises InvalidValue."""
    # Lower-casing makes ASCII of some letters that are not: of the Kelvin sign, for one.
    found = CURRENCIES.get(code.lower()) if code.isascii() else None
    if found is None:
        raise InvalidValue("must be an ISO 4217 currency code such as 'eur'")
    return found
