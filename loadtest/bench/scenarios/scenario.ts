import type { Usage } from '../side.ts';
import type { TargetOptions } from '../targets.ts';

/** A figure, or in words why there is none: a run that lost something says nothing about speed. */
export type Sample = number | string;
export type Round = Readonly<Record<string, Sample>>;

export interface Figure {
  /** Its key in the rounds. */
  readonly key: string;
  readonly what: string;
  readonly unit: string;
  readonly digits: number;
  /** What to reach: of the figure itself, or of its ratio to the control's. */
  readonly target?: { readonly of: 'figure' | 'ratio'; readonly most?: number; readonly least?: number };
}

export interface Rounds {
  readonly agentwire: Round[];
  /** The control, measured in turn with it. It may know fewer of the figures. */
  readonly bare: Round[];
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly figures: readonly Figure[];
  run(options: TargetOptions): Promise<Rounds>;
}

/** Odd, so that the median is a measurement. */
const roundCount = 3;

/** Ours and the control take turns, so that a noisy minute of the machine hits both. */
export async function inTurns(agentwire: () => Promise<Round>, bare: () => Promise<Round>): Promise<Rounds> {
  const rounds: Rounds = { agentwire: [], bare: [] };
  for (let i = 0; i < roundCount; i++) {
    rounds.agentwire.push(await agentwire());
    rounds.bare.push(await bare());
  }
  return rounds;
}

/** For what has no control: there are no bare parts that would do it. */
export async function inRounds(work: () => Promise<Round>): Promise<Rounds> {
  const rounds: Rounds = { agentwire: [], bare: [] };
  for (let i = 0; i < roundCount; i++) rounds.agentwire.push(await work());
  return rounds;
}

/** To be read beside a rate: near 100 % it was the generator that could do no more. */
export const generatorFigure: Figure = { key: 'generator', what: '… the generator, of a core', unit: '%', digits: 0 };

export function generatorShare({ generator, seconds }: Pick<Usage, 'generator' | 'seconds'>): number {
  return generator / seconds / 10_000;
}

/** Each figure from what was used; where the work went wrong, that is what each of them says. */
export function figuresOf<Work>(usage: Work | string, make: Record<string, (usage: Work) => number>): Round {
  return Object.fromEntries(
    Object.entries(make).map(([key, figure]) => [key, typeof usage === 'string' ? usage : figure(usage)]),
  );
}

/** Of numbers in order. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
}
