"""Words of headers by what they say of a column, in the languages of the files that are brought.

In lower case, without digits. Imports nothing.
"""

from __future__ import annotations

_PATIENT = """id ids pid uid patient patients pasient pasienter patientid pasientid subject subjid subjectid usubjid
participant participantid deltaker deltakar deltager person case client klient respondent record recordid løpenummer
lopenummer løpenr lopenr pasientnr patientnr patnr studienr studieid studyid forsøksperson försöksperson fp vp vpn
proband versuchsperson teilnehmer teilnehmende fall sujet paciente sujeto participante potilas tutkittava kode code"""
_NUMBER = "id nr no num number nummer numero numéro n kode code study studie"
_UNITS = {
    "months": "month months mo mos mth mnd måned måneder maaned månad månader monat monate mois mes meses kuukausi",
    "weeks": "week weeks wk wks uke uker uge vecka veckor woche wochen semaine semaines semana semanas viikko",
    "years": "year years yr yrs år aar jahr jahre an ans année années año años vuosi jaar age alder ålder alter",
    "days": "day days dag dager dage dagar tag tage jour jours dia dias día días päivä dagen",
    "hours": "hour hours hrs timer stunde stunden heure heures hora horas tunti",
}
_TIME = """time times tid tidspunkt zeit zeitpunkt temps tiempo aika tijd t visit visits visitt visite visita besøk
besok besök wave waves occasion occ session sesjon måling maaling messung mätning followup"""
_LATE = "visit visits visitt wave waves occasion besøk besok besök session sesjon måling"

PATIENT_WORDS = frozenset(_PATIENT.split())
NUMBER_WORDS = frozenset(_NUMBER.split())
UNITS = {unit: frozenset(words.split()) for unit, words in _UNITS.items()}
TIME_WORDS = frozenset(_TIME.split()).union(*UNITS.values())
LATE_WORDS = frozenset(_LATE.split())
