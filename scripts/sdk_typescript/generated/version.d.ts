/** That of the API document. */
export declare const VERSION: string;
