/** Who a client is. Everybody is the same one where authentication is off. */
export interface Identity {
  readonly id: string;
  /** May see and do what belongs to nobody. */
  readonly admin: boolean;
}

/** With authentication off there is nobody to keep things from. */
export const anyone: Identity = { id: 'anonymous', admin: true };
